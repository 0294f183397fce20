// SPDX-License-Identifier: MIT

// The program modzip writes what a module proxy serves of a version:
//
//	git ls-files | modzip FOLDER MODULE VERSION
//
// writes FOLDER/MODULE/@v/VERSION.zip, of the files that are named on its input and are
// not another module's, VERSION.mod, VERSION.info and the list of versions.
package main

import (
	"archive/zip"
	"bufio"
	"fmt"
	"log"
	"os"
	"path/filepath"
)

func main() {
	log.SetFlags(0)
	if len(os.Args) != 4 {
		log.Fatal("usage: modzip FOLDER MODULE VERSION <NAMES")
	}
	if err := write(filepath.Join(os.Args[1], os.Args[2], "@v"), os.Args[2], os.Args[3]); err != nil {
		log.Fatal("modzip: ", err)
	}
}

func write(folder, module, version string) error {
	if err := os.MkdirAll(folder, 0o777); err != nil {
		return err
	}
	mod, err := os.ReadFile("go.mod")
	if err != nil {
		return err
	}
	for name, text := range map[string]string{
		version + ".mod":  string(mod),
		version + ".info": fmt.Sprintf("{\"Version\":%q}\n", version),
		"list":            version + "\n",
	} {
		if err := os.WriteFile(filepath.Join(folder, name), []byte(text), 0o666); err != nil {
			return err
		}
	}
	file, err := os.Create(filepath.Join(folder, version+".zip"))
	if err != nil {
		return err
	}
	defer file.Close()
	archive := zip.NewWriter(file)
	names := bufio.NewScanner(os.Stdin)
	for names.Scan() {
		if ofAnotherModule(names.Text()) {
			continue
		}
		content, err := os.ReadFile(names.Text())
		if err != nil {
			return err
		}
		entry, err := archive.Create(module + "@" + version + "/" + names.Text())
		if err != nil {
			return err
		}
		if _, err := entry.Write(content); err != nil {
			return err
		}
	}
	if err := names.Err(); err != nil {
		return err
	}
	if err := archive.Close(); err != nil {
		return err
	}
	return file.Close()
}

func ofAnotherModule(name string) bool {
	for folder := filepath.Dir(name); folder != "."; folder = filepath.Dir(folder) {
		if _, err := os.Stat(filepath.Join(folder, "go.mod")); err == nil {
			return true
		}
	}
	return false
}
