// SPDX-License-Identifier: MIT

package evpoll

import (
	"bufio"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"reflect"
	"strconv"
	"strings"
	"testing"
)

// baseline reads a table of the C contract. It is in the repository, not in the package.
func baseline(t *testing.T, name string) [][]string {
	t.Helper()
	file, err := os.Open("../../abi/baseline/" + name)
	if os.IsNotExist(err) {
		t.Skip("gate repository: the baseline is not part of the package")
	}
	must(t, err)
	defer file.Close()
	var rows [][]string
	for lines := bufio.NewScanner(file); lines.Scan(); {
		if row := strings.Fields(lines.Text()); len(row) > 0 && row[0] != "#" {
			rows = append(rows, row)
		}
	}
	return rows
}

// The fields of Go's structs in the order of C's.
var layouts = map[string]any{
	"evpoll_event":        Event{},
	"evpoll_change":       Change{},
	"evpoll_io":           IO{},
	"evpoll_result":       Result{},
	"evpoll_iovec":        cIOVec{},
	"evpoll_address":      cAddress{},
	"evpoll_message":      cMessage{},
	"evpoll_options":      cOptions{},
	"evpoll_poller_stats": Stats{},
	"evpoll_poller_info":  Info{},
}

func TestLayoutsAreTheContracts(t *testing.T) {
	seen := map[string]int{}
	for _, row := range baseline(t, "layout.txt") {
		name, field, isField := strings.Cut(row[0], ".")
		value, ok := layouts[name]
		if !ok {
			t.Fatalf("no struct for %s", name)
		}
		ours := reflect.TypeOf(value)
		if !isField {
			if row[1] != fmt.Sprint(ours.Size()) {
				t.Errorf("%s has %s bytes in C, and %d here", name, row[1], ours.Size())
			}
			continue
		}
		f := ours.Field(seen[name])
		seen[name]++
		signed := "unsigned"
		switch f.Type.Kind() {
		case reflect.Int32, reflect.Int64:
			signed = "signed"
		case reflect.Struct:
			signed = "struct"
		}
		got := fmt.Sprint(f.Offset, " ", f.Type.Size(), " ", signed)
		if wanted := strings.Join(row[1:], " "); got != wanted {
			t.Errorf("%s.%s: %s in C, and %s %s here", name, field, wanted, f.Name, got)
		}
	}
	for name, value := range layouts {
		if n := reflect.TypeOf(value).NumField(); seen[name] != n {
			t.Errorf("%s has %d fields in C, and %d here", name, seen[name], n)
		}
	}
}

// generated reads the constants of the generated file.
func generated(t *testing.T) map[string]int64 {
	t.Helper()
	tree, err := parser.ParseFile(token.NewFileSet(), "internal/capi/capi.go", nil, 0)
	if os.IsNotExist(err) {
		t.Skip("gate sources: they are not beside the test")
	}
	must(t, err)
	found := map[string]int64{}
	ast.Inspect(tree, func(n ast.Node) bool {
		spec, ok := n.(*ast.ValueSpec)
		if !ok || len(spec.Values) != 1 || !strings.HasPrefix(spec.Names[0].Name, "EVPOLL_") {
			return true
		}
		text, sign := "", int64(1)
		switch v := spec.Values[0].(type) {
		case *ast.BasicLit:
			text = v.Value
		case *ast.UnaryExpr:
			text, sign = v.X.(*ast.BasicLit).Value, -1
		}
		number, err := strconv.ParseInt(text, 0, 64)
		must(t, err)
		found[spec.Names[0].Name] = sign * number
		return true
	})
	return found
}

func TestConstantsAreTheContracts(t *testing.T) {
	ours := generated(t)
	wanted := map[string]bool{}
	for _, row := range baseline(t, "constants.txt") {
		name := row[0]
		wanted[name] = true
		number, err := strconv.ParseInt(row[1], 0, 64)
		must(t, err)
		if got, ok := ours[name]; !ok || got != number {
			t.Errorf("%s is %d in C, and %d here (%v)", name, number, got, ok)
		}
	}
	for name := range ours {
		if !wanted[name] && !strings.HasPrefix(name, "EVPOLL_VERSION") {
			t.Errorf("%s is not in the contract", name)
		}
	}
}

// Each function of the contract but those for C has a Go function that package evpoll calls.
func TestEveryFunctionIsReachable(t *testing.T) {
	var text strings.Builder
	files, err := os.ReadDir(".")
	must(t, err)
	for _, file := range files {
		name := file.Name()
		if strings.HasSuffix(name, ".go") && !strings.HasSuffix(name, "_test.go") {
			bytes, err := os.ReadFile(name)
			must(t, err)
			text.Write(bytes)
		}
	}
	if text.Len() == 0 {
		t.Skip("gate sources: they are not beside the test")
	}
	for _, row := range baseline(t, "evpoll-1.0.symbols") {
		name := strings.TrimPrefix(row[0], "evpoll_")
		if strings.HasPrefix(name, "aio_") || strings.Contains(name, "list") || name == "os_error" {
			continue // C's; and part of each call's result
		}
		call := "capi." + strings.ToUpper(name[:1]) + name[1:]
		if !strings.Contains(text.String(), call) {
			t.Errorf("nothing calls %s", call)
		}
	}
}
