"""Export of the archive's pages to ALTO, PAGE, hOCR, TEI, METS, EAD and text."""
