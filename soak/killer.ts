import { setTimeout as sleep } from 'node:timers/promises'
import type { WriterLife } from './life.js'
import type { Kill } from './schedule.js'
import type { Stage } from './stage.js'

/** Whom the killer may kill. */
export interface Victims {
  readonly stage: Stage
  /** The writer that lives. */
  readonly writer: WriterLife
  /** Starts the next one. */
  succeed(): void
}

/**
 * Follows the schedule. An outage of the server or of a connection goes on while the next kill is due, so a
 * writer may be killed in the middle of it; two outages do not overlap.
 */
export class Killer {
  readonly #victims: Victims
  #outage: Promise<void> = Promise.resolve()
  #drains: Promise<unknown> = Promise.resolve()
  #starting = false

  constructor(victims: Victims) {
    this.#victims = victims
  }

  async kill(kill: Kill): Promise<void> {
    const { stage } = this.#victims
    if (this.#starting && !(kill.what === 'writer' && kill.early)) await this.#victims.writer.working()
    await sleep(kill.afterMs)
    this.#victims.writer.check()
    this.#starting = false
    if (kill.what === 'writer') {
      await this.#victims.writer.kill()
      this.#victims.succeed()
      this.#starting = true
      if (kill.drain) this.#drain()
      return
    }
    await this.#outage
    switch (kill.what) {
      case 'crash':
        await stage.server.kill()
        this.#begin(kill.outageMs, () => stage.server.start())
        break
      case 'freeze':
        await stage.server.pause()
        this.#begin(kill.outageMs, () => stage.server.resume())
        break
      case 'terminate':
        await stage.query(TERMINATE)
        break
      case 'cut':
        stage.proxy.cut(kill.cut)
        this.#begin(kill.muteMs, () => stage.proxy.finishCut())
        break
    }
  }

  #begin(ms: number, end: () => void | Promise<void>): void {
    this.#outage = after(ms, end)
    // Those that wait for its end are notified.
    this.#outage.catch(() => {})
  }

  /** What it cannot store, or the writer took before it, is left for the next one. */
  #drain(): void {
    this.#drains = Promise.all([this.#drains, this.#victims.stage.drain()])
    this.#drains.catch(() => {})
  }

  /** Resolves when server and connections work again, and no drain runs any more. */
  async relent(): Promise<void> {
    await this.#outage
    await this.#drains
  }
}

const TERMINATE = `select pg_terminate_backend(pid) from pg_stat_activity where application_name like 'otel-audit%'`

async function after(ms: number, work: () => void | Promise<void>): Promise<void> {
  await sleep(ms)
  await work()
}
