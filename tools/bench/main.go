// Command bench reads the output of go test -bench and says which of the project's bars
// for speed and size are held. With -docs it also writes what it says, and a plot of how
// costs grow, into the documentation.
package main

import (
	"flag"
	"fmt"
	"os"
)

func main() {
	docs := flag.String("docs", "", "folder of the documentation to update")
	flag.Usage = func() {
		fmt.Fprintln(os.Stderr, "usage: bench [-docs FOLDER] FILE")
		flag.PrintDefaults()
	}
	flag.Parse()
	if flag.NArg() != 1 {
		flag.Usage()
		os.Exit(2)
	}
	held, err := run(flag.Arg(0), *docs)
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(2)
	}
	if !held {
		os.Exit(1)
	}
}

// run reports whether all bars are held by the benchmarks in a file.
func run(file, docs string) (held bool, err error) {
	in, err := os.Open(file)
	if err != nil {
		return false, err
	}
	defer in.Close()
	all, err := readResults(in, file)
	if err != nil {
		return false, err
	}
	verdicts, held := judge(all, bars)
	fmt.Print(barsTable(verdicts))
	if docs == "" {
		return held, nil
	}
	return held, write(docs, all, verdicts)
}
