"""Token classification: a label for every word, such as named entities or parts of speech."""
