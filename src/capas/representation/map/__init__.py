"""Maps of a representation: vectors laid out in two dimensions, with what the layout keeps of their neighbourhoods."""
