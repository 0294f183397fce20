// SPDX-License-Identifier: MIT

//go:build race

package evpoll

// The race detector allocates for what it watches.
const raceDetector = true
