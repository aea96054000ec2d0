// Command fileserver serves the files of one folder over HTTP.
package main

import (
	"flag"
	"log"
	"net/http"
)

func main() {
	listen := flag.String("listen", ":8080", "address to listen on")
	root := flag.String("root", ".", "folder to serve")
	flag.Parse()
	log.Printf("serving %s on %s", *root, *listen)
	log.Fatal(http.ListenAndServe(*listen, http.FileServer(http.Dir(*root))))
}
