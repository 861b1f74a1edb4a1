"""The page model and its standard formats (ALTO, PAGE, hOCR, TEI, METS, EAD, IIIF); imports only ``core``."""
