// SPDX-License-Identifier: MIT

package evpoll

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"strings"
	"testing"
)

func TestEverythingIsDocumented(t *testing.T) {
	notTests := func(f fs.FileInfo) bool { return !strings.HasSuffix(f.Name(), "_test.go") }
	packages, err := parser.ParseDir(token.NewFileSet(), ".", notTests, parser.ParseComments)
	must(t, err)
	if packages["evpoll"] == nil {
		t.Skip("gate sources: they are not beside the test")
	}
	seen := 0
	check := func(name string, documented bool) {
		if ast.IsExported(name) {
			seen++
			if !documented {
				t.Errorf("%s has no comment", name)
			}
		}
	}
	ast.Inspect(packages["evpoll"], func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.FuncDecl:
			check(n.Name.Name, n.Doc != nil)
			return false
		case *ast.GenDecl:
			for _, spec := range n.Specs {
				switch spec := spec.(type) {
				case *ast.TypeSpec:
					check(spec.Name.Name, n.Doc != nil || spec.Doc != nil)
				case *ast.ValueSpec:
					check(spec.Names[0].Name, n.Doc != nil || spec.Doc != nil)
				}
			}
		}
		return true
	})
	if seen < 100 {
		t.Fatalf("only %d names were found", seen)
	}
}
