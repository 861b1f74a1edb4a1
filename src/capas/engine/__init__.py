"""Where data, network and task meet: built, trained, tested once and put to use."""
