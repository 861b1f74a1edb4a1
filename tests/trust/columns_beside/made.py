"""A classifier of half pictures with a number beside them, whose outputs can be computed on paper."""

from collections.abc import Sequence

import torch

from capas.core.spec import Field, Spec
from capas.data.collections import FilesWithColumns
from capas.data.naming import SplitName
from capas.data.tabular.columns import Cell
from capas.data.tabular.preprocess import ColumnEncoding, TabularPreprocessing
from capas.engine.recipes.shared.forward import DataclassInputAdapter
from capas.engine.recipes.single_output.columns_beside.predictor import ReaderWithColumns
from capas.engine.recipes.single_output.heads.class_head import ClassHead
from capas.engine.recipes.single_output.predictor import SingleOutputPredictor
from capas.networks.tabular.joint_fusion import JointFusion, JointFusionConfig
from capas.trust.subjects.single_output import ModelUnderTest
from tests.trust.made_models import Halves, HandMade, half_pictures, images_reader, made_context, table_rows

COLUMNS = TabularPreprocessing(columns=(ColumnEncoding(name="age", kind="number", mean=(50.0,), std=(10.0,)),))


def reader_of(picture: float, column: float) -> ReaderWithColumns:
    """Logits are ``picture`` times those of ``Halves``, and ∓ ``column`` times the standardised age."""
    config = JointFusionConfig(numbers=1, categories=(), outputs=2, embedding=2, width=2, bins=0)
    content = Halves()
    fusion = JointFusion(config, content)
    with torch.no_grad():
        fusion.hidden.bias.zero_()
        fusion.hidden.weight.copy_(torch.tensor([[0.0, 0, 1, 0], [0, 0, -1, 0]]))
        fusion.output.bias.zero_()
        fusion.output.weight.copy_(torch.tensor([[picture, 0, -column, column], [0, picture, column, -column]]))
    return ReaderWithColumns(DataclassInputAdapter(fusion).eval(), images_reader(content), COLUMNS, "file")


def subject_of(
    labels: Sequence[int], shown: Sequence[int], ages: Sequence[Cell], splits: Sequence[SplitName], *,
    picture: float = 1.0, column: float = 1.0,
) -> ModelUnderTest:  # fmt: skip
    """Pictures that show the sides ``shown``, beside ``ages``."""
    inputs = FilesWithColumns(half_pictures(shown), table_rows({"age": ages}))
    context = made_context(inputs.files, list(labels), splits, classes=("left", "right"))
    fields = (Field(name="file", kind="image"), Field(name="age", kind="number"))
    spec = Spec(inputs=fields, target=context.record.spec.target, task="classify", classes=("left", "right"))
    object.__setattr__(context.record, "spec", spec)
    object.__setattr__(context, "inputs", inputs)
    predictor = SingleOutputPredictor(reader_of(picture, column), ClassHead(context.classes), spec)
    return ModelUnderTest(context, HandMade(predictor, context.card, context.run.bundle))
