import { writeFileSync } from 'node:fs'
import { type AddressInfo, createConnection, createServer, type Socket } from 'node:net'

// Passes TCP connections on to 127.0.0.1, each byte so much later, in both directions:
// `node proxy.js <port> <ms in each direction>`, forked. Tells its own port, and ends with the process that forked it.

/**
 * Timers of Node come in whole milliseconds, a wait on shared memory does not. In its slices the sockets are read: what
 * arrives is late by no more than one.
 */
const SLICE_MS = 0.05
const cell = new Int32Array(new SharedArrayBuffer(4))

interface Waiting {
  readonly due: number
  readonly send: () => void
}

/** What has arrived and is not due yet, in the order in which it is: all of it is delayed by the same time. */
class Line {
  readonly #delayMs: number
  #waiting: Waiting[] = []
  #isMoving = false

  constructor(delayMs: number) {
    this.#delayMs = delayMs
  }

  add(send: () => void): void {
    this.#waiting.push({ due: performance.now() + this.#delayMs, send })
    if (this.#isMoving) return
    this.#isMoving = true
    this.#move()
  }

  #move(): void {
    const now = performance.now()
    const first = this.#waiting.findIndex(({ due }) => due > now)
    const due = this.#waiting.splice(0, first === -1 ? this.#waiting.length : first)
    for (const waiting of due) waiting.send()
    const next = this.#waiting[0]
    if (next === undefined) {
      this.#isMoving = false
      return
    }
    Atomics.wait(cell, 0, 0, Math.min(SLICE_MS, Math.max(0, next.due - performance.now())))
    setImmediate(() => this.#move())
  }
}

function join(from: Socket, to: Socket, line: Line): void {
  from.setNoDelay(true)
  from.on('data', (chunk) => line.add(() => to.write(chunk)))
  from.once('end', () => line.add(() => to.end()))
  from.on('error', () => to.destroy())
}

function main(port: number, delayMs: number): void {
  // Linux wakes sleepers up to 50 µs late, unless told otherwise.
  try {
    writeFileSync('/proc/self/timerslack_ns', '1000')
  } catch {
    // Another system has another way, or none.
  }
  const line = new Line(delayMs)
  // The end of one direction is passed on as late as its bytes, and the other goes on.
  const server = createServer({ allowHalfOpen: true }, (client) => {
    const target = createConnection({ host: '127.0.0.1', port, allowHalfOpen: true })
    join(client, target, line)
    join(target, client, line)
  })
  server.listen(0, '127.0.0.1', () => process.send?.((server.address() as AddressInfo).port))
  process.once('disconnect', () => process.exit())
}

const [port = Number.NaN, delayMs = Number.NaN] = process.argv.slice(2).map(Number)
main(port, delayMs)
