ACTIONS: tuple = ()
