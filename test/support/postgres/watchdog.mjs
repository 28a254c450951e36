// Outlives the process that started it, by just long enough to clear up after it.
//
// Each line on standard input is a JSON object: the directories of all clusters the parent has now, those that are to be
// removed and those that are to be kept. End of input means that the parent is gone, in whatever manner; what it still had
// is then ended, and removed.

import { existsSync } from 'node:fs'
import { createInterface } from 'node:readline'
import { setTimeout as sleep } from 'node:timers/promises'
import { endCluster, removeCluster } from './processes.mjs'

// Whoever ends the parent by signalling every Node process, or a whole session, must not prevent the clearing up.
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => {})

let directories = []
let kept = []
try {
  for await (const line of createInterface({ input: process.stdin })) {
    ;({ removed: directories, kept } = JSON.parse(line))
  }
} finally {
  await Promise.allSettled(kept.map((directory) => endCluster(directory)))
  await Promise.allSettled(directories.map((directory) => removeCluster(directory)))
  // Processes that a killed run of tests has left may write to its directory for a moment yet.
  for (let attempt = 0; attempt < 60 && directories.some((directory) => existsSync(directory)); attempt++) {
    await sleep(1_000)
    await Promise.allSettled(directories.map((directory) => removeCluster(directory)))
  }
}
