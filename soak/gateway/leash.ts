// Ends what a soak has started when that is gone, in whatever manner: a process that is stopped by a signal cannot notice it
// itself. Each line on standard input is a JSON array, the ids of all processes that there are now.
import { createInterface } from 'node:readline'

for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => {})

let held: readonly number[] = []
for await (const line of createInterface({ input: process.stdin })) held = JSON.parse(line) as number[]
for (const pid of held) {
  try {
    process.kill(pid, 'SIGKILL')
  } catch {
    // It is gone.
  }
}
