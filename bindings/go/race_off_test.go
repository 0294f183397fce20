// SPDX-License-Identifier: MIT

//go:build !race

package evpoll

const raceDetector = false
