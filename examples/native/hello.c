#include "greeting.h"

#include <stdio.h>

int main(int argc, char **argv) {
  puts(greeting(argc > 1 ? argv[1] : "nobody"));
  return 0;
}
