"""Prints the primes below its argument as JSON, with the digest of that text."""

import hashlib
import json
import sys

limit = int(sys.argv[1])
primes = [n for n in range(2, limit) if all(n % d for d in range(2, int(n**0.5) + 1))]
text = json.dumps(primes)
print(text, hashlib.sha256(text.encode()).hexdigest()[:8])
