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
	"unsafe"

	"github.com/evpoll/evpoll/bindings/go/internal/capi"
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
	"evpoll_event":   Event{},
	"evpoll_change":  Change{},
	"evpoll_io":      cIO{},
	"evpoll_result":  Result{},
	"evpoll_options": cOptions{},
	"evpoll_stats":   Stats{},
	"evpoll_info":    Info{},
}

func TestLayoutsAreTheContracts(t *testing.T) {
	seen := map[string]int{}
	for _, row := range baseline(t, "layout.txt") {
		name, field, isField := strings.Cut(row[0], ".")
		value, ok := layouts[name]
		if name == "evpoll_iovec" {
			continue // vectored operations are C's
		}
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
		if k := f.Type.Kind(); k == reflect.Int32 || k == reflect.Int64 {
			signed = "signed"
		}
		got := fmt.Sprint(f.Offset, " ", f.Type.Size(), " ", signed)
		if f.Name == "_" || f.Name == "reserved" {
			signed = row[3]
			got = fmt.Sprint(f.Offset, " ", f.Type.Size(), " ", signed)
		}
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
	onlyC := map[string]bool{"EVPOLL_IO_READV": true, "EVPOLL_IO_WRITEV": true}
	wanted := map[string]bool{}
	for _, row := range baseline(t, "constants.txt") {
		name := row[0]
		wanted[name] = true
		number, err := strconv.ParseInt(row[1], 0, 64)
		must(t, err)
		if got, ok := ours[name]; ok != !onlyC[name] || ok && got != number {
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
	for _, row := range baseline(t, "evpoll-1.0.symbols") {
		name := strings.TrimPrefix(row[0], "evpoll_")
		if strings.HasPrefix(name, "aio_") || name == "os_error" {
			continue // C's; and part of each call's result
		}
		call := "capi." + strings.ToUpper(name[:1]) + name[1:]
		if !strings.Contains(text.String(), call) {
			t.Errorf("nothing calls %s", call)
		}
	}
}

func TestTokensKeepAllTheirBitsInC(t *testing.T) {
	p := open(t)
	must(t, failed("post", capi.Post(p.c.raw, 1<<63|5, -1<<63)))
	// The raw layer hands it out; above it such tokens are the binding's own, and this one is late.
	events := make([]Event, 4)
	n := statusOf(capi.Wait(p.c.raw, unsafe.Pointer(&events[0]), 4, -1))
	if n != 1 || events[0].Token != 1<<63|5 || events[0].Result != -1<<63 {
		t.Fatal(n, events[0])
	}
}
