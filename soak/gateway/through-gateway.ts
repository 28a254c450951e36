import { readFileSync, rmSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { parseJournal } from '../journal.js'
import { WriterLife } from '../life.js'
import type { SoakOptions } from '../options.js'
import { Stage } from '../stage.js'
import { readTrail } from '../trail.js'
import { Leash } from './daemon.js'
import { describeGatewayKill, type GatewayKill, gatewaySchedule } from './schedule.js'
import type { SenderLine, SenderOrders } from './sent.js'
import { type Held, SentLedger, type SentJudgement } from './sent-ledger.js'
import { collectorOf, Way } from './way.js'

/** The execution ids of one sender. */
const EVENTS_PER_LIFE = 10_000_000
const SENDER = { name: 'sender', file: fileURLToPath(new URL('./sender.js', import.meta.url)) }

/**
 * A soak of what comes by OTLP. Everything it starts has ended when it returns or throws.
 *
 * @throws Error when something failed, and the reason of `stop`
 */
export async function throughGateway(
  options: SoakOptions,
  say: (what: string) => void,
  stop: AbortSignal,
): Promise<SentJudgement> {
  const stage = await Stage.set()
  const leash = new Leash()
  try {
    const way = await Way.start(stage, leash, collectorOf(options))
    try {
      say(way.collector === undefined ? 'no collector is there: without one' : 'with a collector')
      const soak = new ThroughGateway(stage, way, options, say)
      const stopped = new Promise<never>((_, reject) => {
        if (stop.aborted) reject(stop.reason)
        stop.addEventListener('abort', () => reject(stop.reason))
      })
      try {
        return await Promise.race([soak.run(), stopped])
      } finally {
        await soak.abandon()
      }
    } finally {
      await way.close()
    }
  } finally {
    await leash.close()
    await stage.close()
  }
}

class ThroughGateway {
  readonly #stage: Stage
  readonly #way: Way
  readonly #options: SoakOptions
  readonly #say: (what: string) => void
  readonly #ledger = new SentLedger()
  /** Of each victim, the end of what it suffers: two outages of one do not overlap, those of different ones do. */
  readonly #outages = new Map<unknown, Promise<void>>()
  #life = 0
  #sender: WriterLife

  constructor(stage: Stage, way: Way, options: SoakOptions, say: (what: string) => void) {
    this.#stage = stage
    this.#way = way
    this.#options = options
    this.#say = say
    this.#sender = this.#nextSender()
  }

  async run(): Promise<SentJudgement> {
    const { kills, minutes, seed } = this.#options
    const end = performance.now() + minutes * 60_000
    const plan = gatewaySchedule(seed, this.#way.collector !== undefined)
    let done = 0
    while (done < kills && performance.now() < end) {
      const kill = plan.next().value
      await this.#sender.working()
      await sleep(kill.afterMs)
      this.#sender.check()
      await this.#kill(kill)
      done++
      this.#say(`kill ${done}${Number.isFinite(kills) ? ` of ${kills}` : ''}: ${describeGatewayKill(kill)}`)
    }
    await Promise.all(this.#outages.values())
    this.#say('the sender sends to the end')
    await this.#sender.end()
    this.#bury()
    const { collector, gateways } = this.#way
    await Promise.all(
      [...gateways, ...(collector === undefined ? [] : [collector])].map((one) => one.endInOrder()),
    )
    const { rows } = await readTrail(this.#stage)
    this.#say('verifying the trail')
    return this.#ledger.judge(
      { ...(await readQuarantine(this.#stage)), rows },
      done,
      await this.#stage.verify(),
    )
  }

  async abandon(): Promise<void> {
    await this.#sender.abandon()
    await Promise.allSettled(this.#outages.values())
  }

  async #kill(kill: GatewayKill): Promise<void> {
    const { server, proxy } = this.#stage
    const { gateways, proxies, collector } = this.#way
    switch (kill.what) {
      case 'sender':
        await this.#sender.kill()
        this.#bury()
        this.#sender = this.#nextSender()
        return
      case 'gateway':
      case 'collector': {
        const victim = kill.what === 'collector' ? collector : gateways[kill.which]
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
        const victim = gateways[kill.which]
        return this.#outage(
          victim,
          kill.awayMs,
          () => victim?.resume(),
          () => victim?.stop(),
        )
      }
      case 'crash':
        return this.#outage(
          server,
          kill.awayMs,
          () => server.start(),
          () => server.kill(),
        )
      case 'freeze':
        return this.#outage(
          server,
          kill.awayMs,
          () => server.resume(),
          () => server.pause(),
        )
      case 'terminate':
        await this.#outages.get(server)
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
    }
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

  #nextSender(): WriterLife {
    this.#life++
    const orders: SenderOrders = {
      targets: this.#way.targets,
      serviceName: `soak-${this.#life}`,
      firstEvent: this.#life * EVENTS_PER_LIFE,
    }
    return new WriterLife(this.#stage.directory, this.#life, orders, SENDER)
  }

  /** The sender is gone, and its journal is whole. */
  #bury(): void {
    const { journalFile } = this.#sender
    this.#ledger.read(this.#life, parseJournal<SenderLine>(readFileSync(journalFile, 'utf8')))
    rmSync(journalFile)
  }
}

/** How long a kill waits for an end in order, in ms. */
const SHORT_MS = 2000
const TERMINATE = `select pg_terminate_backend(pid) from pg_stat_activity where application_name like 'otel-audit%'`
const QUARANTINED = 'select span_id from noetl.secret_audit_quarantine'
const GAPS = `select from noetl.secret_audit where operation = 'audit_gap'`

async function readQuarantine(stage: Stage): Promise<Omit<Held, 'rows'>> {
  const { rows } = await stage.query<{ span_id: string }>(QUARANTINED)
  const gaps = await stage.query(GAPS)
  return { quarantined: rows.map(({ span_id }) => span_id), gaps: gaps.rows.length }
}
