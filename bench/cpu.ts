import { readdirSync, readFileSync } from 'node:fs'

/** Processor time, in µs. */
export interface CpuTime {
  /** The main thread of this process. Linux only, else undefined. */
  readonly main: number | undefined
  /** All threads of this process, those of the exporter, of the garbage collector and of libuv too. */
  readonly node: number
  /** All processes of the database server: sessions, and what writes for them. Linux only, else undefined. */
  readonly postgres: number | undefined
}

/**
 * Reads processor time from the scheduler's own count (`/proc/<pid>/task/<pid>/schedstat`, nanoseconds).
 * `performance.eventLoopUtilization` would be time in which the loop was not idle, whether the thread ran or not.
 */
export class CpuClock {
  readonly #postmaster: number

  /** @param postmaster whose children are the database server */
  constructor(postmaster: number) {
    this.#postmaster = postmaster
  }

  /** @returns what tells the time that was used since */
  start(): () => CpuTime {
    const before = this.#read()
    return () => {
      const after = this.#read()
      return {
        main: difference(after.main, before.main),
        node: after.node - before.node,
        postgres: after.postgres && sumSince(after.postgres, before.postgres),
      }
    }
  }

  #read() {
    const { user, system } = process.cpuUsage()
    return {
      main: onProcessor(`/proc/self/task/${process.pid}`),
      node: user + system,
      postgres: this.#processes(),
    }
  }

  #processes(): ReadonlyMap<number, number> | undefined {
    const times = new Map<number, number>()
    for (const pid of childrenOf(this.#postmaster)) {
      const time = onProcessor(`/proc/${pid}`)
      if (time !== undefined) times.set(pid, time)
    }
    return times.size === 0 ? undefined : times
  }
}

/**
 * Processor time of a database server since its start, in µs, of sessions that have ended, too: `/proc/<pid>/stat` of its
 * postmaster counts those, in ticks of 10 ms. Linux only, else undefined.
 *
 * @param postmaster whose children are the database server
 */
export function serverTime(postmaster: number): number | undefined {
  const stat = read(`/proc/${postmaster}/stat`)
  if (stat === undefined) return undefined
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  const ended = (Number(fields[CUTIME]) + Number(fields[CUTIME + 1])) * TICK_US
  const living = childrenOf(postmaster).map((pid) => onProcessor(`/proc/${pid}`) ?? 0)
  return living.reduce((sum, time) => sum + time, ended)
}

/** Behind the name and state: what children that were waited for had used, in user mode and in the kernel's. */
const CUTIME = 13
const TICK_US = 10_000

/** A process that has ended meanwhile is left out: those that do the work last longer than a run. */
function sumSince(
  after: ReadonlyMap<number, number>,
  before: ReadonlyMap<number, number> | undefined,
): number {
  let sum = 0
  for (const [pid, time] of after) sum += time - (before?.get(pid) ?? 0)
  return sum
}

function difference(after: number | undefined, before: number | undefined): number | undefined {
  return after === undefined || before === undefined ? undefined : after - before
}

/** µs that a task was on a processor; undefined when it is gone, and on systems other than Linux. */
function onProcessor(directory: string): number | undefined {
  const [nanoseconds] = read(`${directory}/schedstat`)?.split(' ') ?? []
  return nanoseconds === undefined ? undefined : Number(nanoseconds) / 1000
}

function childrenOf(parent: number): number[] {
  return processIds().filter((pid) => {
    const stat = read(`/proc/${pid}/stat`) ?? ''
    // Behind the name, which may have anything in it: state, and the parent.
    return Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1]) === parent
  })
}

function processIds(): number[] {
  try {
    return readdirSync('/proc')
      .filter((name) => /^\d+$/.test(name))
      .map(Number)
  } catch {
    return []
  }
}

function read(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return undefined
  }
}
