"""Pictures and sounds learnt together with the columns of the table that names them."""
