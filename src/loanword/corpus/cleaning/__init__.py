"""The rules that text is cleaned by: what each changes or removes. `corpus.clean` names them."""
