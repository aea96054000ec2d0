/* The text that greets `name`, in a static buffer. */
const char *greeting(const char *name);
