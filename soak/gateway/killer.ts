import { setTimeout as sleep } from 'node:timers/promises'
import type { Stage } from '../stage.js'
import type { GatewayKill } from './schedule.js'
import type { Way } from './way.js'

/** How long a kill waits for an end in order, in ms. */
const SHORT_MS = 2000
const TERMINATE = `select pg_terminate_backend(pid) from pg_stat_activity where application_name like 'otel-audit%'`

/** Kills what the schedule says, but for senders. Two outages of one victim do not overlap, those of different ones do. */
export class GatewayKiller {
  readonly #stage: Stage
  readonly #way: Way
  /** Of each victim, the end of what it suffers. */
  readonly #outages = new Map<unknown, Promise<void>>()

  constructor(stage: Stage, way: Way) {
    this.#stage = stage
    this.#way = way
  }

  async kill(kill: Exclude<GatewayKill, { what: 'sender' }>): Promise<void> {
    const { servers, proxy } = this.#stage
    const { daemons, proxies } = this.#way
    switch (kill.what) {
      case 'gateway':
      case 'collector':
      case 'producer':
      case 'consumer':
      case 'broker': {
        const all = daemons[kill.what] ?? []
        const victim = all[kill.which % all.length]
        if (victim === undefined) return
        // An end in order may take its time; the next kill comes meanwhile.
        return this.#outage(
          victim,
          kill.awayMs,
          () => victim.start(),
          () => victim.end(kill.signal),
        )
      }
      case 'stop': {
        const victim = daemons.gateway?.[kill.which]
        return this.#outage(
          victim,
          kill.awayMs,
          () => victim?.resume(),
          () => victim?.stop(),
        )
      }
      case 'crash':
        return this.#outage(
          servers,
          kill.awayMs,
          () => servers.primary.start(),
          () => servers.primary.kill(),
        )
      case 'freeze':
        return this.#outage(
          servers,
          kill.awayMs,
          () => servers.primary.resume(),
          () => servers.primary.pause(),
        )
      case 'failover':
        return this.#outage(
          servers,
          kill.awayMs,
          () => servers.restoreStandby(),
          async () => proxy.lead(await servers.promote(kill.departure)),
        )
      case 'terminate':
        await this.#outages.get(servers)
        await this.#stage.query(TERMINATE)
        return
      case 'cut': {
        const victim = kill.of === 'server' ? proxy : proxies[kill.which]
        return this.#outage(
          victim,
          kill.awayMs,
          () => victim?.finishCut(),
          () => victim?.cut(kill.cut),
        )
      }
      case 'slow': {
        const victim = kill.of === 'server' ? proxy : proxies[kill.which]
        return this.#outage(
          victim,
          kill.awayMs,
          () => victim?.slow(0),
          () => victim?.slow(kill.delayMs),
        )
      }
    }
  }

  /** Resolves when all that was killed is there again. */
  async relent(): Promise<void> {
    await Promise.all(this.#outages.values())
  }

  /** The same, whatever became of it. */
  async abandon(): Promise<void> {
    await Promise.allSettled(this.#outages.values())
  }

  /** Begins, when the outage of the victim before it is over. Its end is not waited for. */
  async #outage(
    victim: unknown,
    awayMs: number,
    end: () => void | Promise<void>,
    begin: () => void | Promise<unknown>,
  ): Promise<void> {
    await this.#outages.get(victim)
    const begun = Promise.resolve(begin())
    const outage = begun.then(() => sleep(awayMs)).then(end)
    this.#outages.set(victim, outage)
    // Those that wait for its end are notified.
    outage.catch(() => {})
    await Promise.race([begun, sleep(SHORT_MS)])
  }
}
