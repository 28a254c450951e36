// Of the room's invariant: timers and clocks are those that the process had when this library was loaded. A test runner that
// fakes them, before a record or in the middle of it, changes nothing about the record; and who fakes only some of them
// does not stop the others.

/** Taken once. Nobody outside this library gets hold of it; its own tests put theirs here. */
export const taken = {
  setTimeout: globalThis.setTimeout,
  clearTimeout: globalThis.clearTimeout,
  setInterval: globalThis.setInterval,
  clearInterval: globalThis.clearInterval,
  setImmediate: globalThis.setImmediate,
  queueMicrotask: globalThis.queueMicrotask,
  dateNow: Date.now,
  random: Math.random,
  performanceNow: globalThis.performance.now.bind(globalThis.performance),
}

type Timeout = NodeJS.Timeout

type Json = Pick<typeof globalThis.JSON, 'parse' | 'stringify'>
const json: Json | undefined = globalThis.JSON

/**
 * For what is read and written for people and by other programs; what is hashed, sent or spooled is of `json-text.ts`.
 * An application without one loses no more than that.
 */
export const JSON: Json = Object.freeze({ parse: json?.parse, stringify: json?.stringify }) as Json

// By the names of the globals: a file that imports one uses it in place of the global.

export function setTimeout<Args extends unknown[]>(
  work: (...args: Args) => void,
  ms: number,
  ...args: Args
): Timeout {
  return taken.setTimeout(work, ms, ...args)
}

export function clearTimeout(timer: Timeout | undefined): void {
  taken.clearTimeout(timer)
}

export function setInterval(work: () => void, ms: number): Timeout {
  return taken.setInterval(work, ms)
}

export function clearInterval(timer: Timeout | undefined): void {
  taken.clearInterval(timer)
}

export function setImmediate(work: () => void): NodeJS.Immediate {
  return taken.setImmediate(work)
}

export function queueMicrotask(work: () => void): void {
  taken.queueMicrotask(work)
}

/** ms since the Unix epoch, by the clock of the system. */
export function wallClock(): number {
  return taken.dateNow()
}

/** From 0 to less than 1; for what need not be unpredictable. */
export function random(): number {
  return taken.random()
}

/** The clock that never steps. */
export const performance = Object.freeze({ now: (): number => taken.performanceNow() })
