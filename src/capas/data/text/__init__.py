"""Text data: tokenizers, vocabularies, tf-idf and word features, CoNLL files, sentence splitting."""
