"""Translation models: the report shows their test metrics and runs no further forward passes."""

from capas.trust.subjects.structured import StructuredAdapter


class TranslationAdapter(StructuredAdapter):
    """``StructuredAdapter`` of translations, which evaluates no examples."""

    kind = "translations"
    max_examples = 1000
    no_attacks = "trust.many.no_attack_words"
    no_explanations = "trust.many.no_zones_translations"

    def prepared(self, index: int) -> object:
        raise ValueError("translations are not asked again")
