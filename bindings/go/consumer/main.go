// SPDX-License-Identifier: MIT

// A program that has nothing of evpoll but its module.
package main

import (
	"context"
	"fmt"
	"os"

	"github.com/evpoll/evpoll/bindings/go"
)

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run() error {
	f, err := evpoll.OpenFile(os.Args[0])
	if err != nil {
		return err
	}
	defer f.Close()
	b := make([]byte, 4)
	if _, err := f.ReadAt(context.Background(), b, 0); err != nil {
		return err
	}
	fmt.Printf("evpoll %s read %q\n", evpoll.Version(), b[1:])
	return nil
}
