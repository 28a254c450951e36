import { writeSync } from 'node:fs'

// Loaded by `node --import` before a command that is measured: says at its end what it has used.

/** The file descriptor that it is said on, as one line of JSON. */
const REPORT_FD = 3

process.on('exit', () => {
  writeSync(REPORT_FD, JSON.stringify(process.resourceUsage()))
})
