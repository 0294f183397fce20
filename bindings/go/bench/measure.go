// SPDX-License-Identifier: MIT

package main

import (
	"fmt"
	"sort"
	"syscall"
	"time"
)

// A variant does the same work n times, in its own way.
type variant struct {
	name string
	work func(n int)
}

const (
	slice  = 300 * time.Microsecond // of one variant, before it is the next one's turn
	budget = 4 * time.Second        // of one comparison
	rounds = 2000                   // at most
)

// compare runs the variants in turn, in slices, and prints each one's time for one event and the
// medians of its ratios to the first one's slice of the same round: of the time that passed, and of
// the CPU time that all threads took. What disturbs the machine disturbs them alike.
func compare(what string, events int, variants ...variant) {
	n := make([]int, len(variants))
	for i, v := range variants {
		for n[i] = 1; ; n[i] *= 2 { // how much work fills a slice
			began := time.Now()
			v.work(n[i])
			if took := time.Since(began); took > slice/2 {
				n[i] = int(float64(n[i])*float64(slice)/float64(took)) + 1
				break
			}
		}
	}
	times, cpus := make([][]float64, len(variants)), make([][]float64, len(variants))
	ratios, cpuRatios := make([][]float64, len(variants)), make([][]float64, len(variants))
	began := time.Now()
	for round := 0; round < rounds && time.Since(began) < budget; round++ {
		for k := range variants {
			i := (k + round) % len(variants)
			cpuBefore, began := cpu(), time.Now()
			variants[i].work(n[i])
			took, all := time.Since(began), float64(n[i]*events)
			times[i] = append(times[i], float64(took.Nanoseconds())/all)
			cpus[i] = append(cpus[i], float64((cpu()-cpuBefore).Nanoseconds())/all)
		}
		for i := range variants {
			ratios[i] = append(ratios[i], times[i][round]/times[0][round])
			cpuRatios[i] = append(cpuRatios[i], cpus[i][round]/cpus[0][round])
		}
	}
	for i, v := range variants {
		fmt.Printf("| %s | %d | %s | %.1f | %.2f | %.2f |\n", what, events, v.name,
			median(times[i]), median(ratios[i]), median(cpuRatios[i]))
	}
}

// cpu is what all threads of the process have taken.
func cpu() time.Duration {
	var used syscall.Rusage
	check(syscall.Getrusage(syscall.RUSAGE_SELF, &used))
	return time.Duration(used.Utime.Nano() + used.Stime.Nano())
}

func median(v []float64) float64 {
	sort.Float64s(v)
	return v[len(v)/2]
}
