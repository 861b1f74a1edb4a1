"""Problems with one output per example, whatever the medium: a class, tags or numbers."""
