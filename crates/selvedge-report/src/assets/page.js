// The page about a run: all of it at once, and for ever.

const ALL_STEPS = "Without --quick and --steps all are.";
header();
warnings();
scalars();
tensors();
constants();
footer("Nothing is loaded from anywhere.");
