import { readFileSync, rmSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { parseJournal } from '../journal.js'
import { WriterLife } from '../life.js'
import type { SoakOptions } from '../options.js'
import { Stage } from '../stage.js'
import { readTrail } from '../trail.js'
import { Leash } from './daemon.js'
import { kafkaWay } from './kafka/kafka-way.js'
import { GatewayKiller } from './killer.js'
import { describeGatewayKill, gatewaySchedule } from './schedule.js'
import type { SenderLine, SenderOrders } from './sent.js'
import { type Held, SentLedger, type SentJudgement } from './sent-ledger.js'
import { collectorOf, directWay, type Way } from './way.js'

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
  const stage = await Stage.set({ hasStandby: options.failovers > 0 })
  const leash = new Leash()
  try {
    const collector = collectorOf(options)
    const way = await (options.kafka
      ? kafkaWay(stage, leash, collector, options.brokers, say)
      : directWay(stage, leash, collector))
    try {
      say(way.description)
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
  readonly #killer: GatewayKiller
  /** How often each kind of kill was made. */
  readonly #killed = new Map<string, number>()
  #life = 0
  #sender: WriterLife

  constructor(stage: Stage, way: Way, options: SoakOptions, say: (what: string) => void) {
    this.#stage = stage
    this.#way = way
    this.#options = options
    this.#say = say
    this.#killer = new GatewayKiller(stage, way)
    this.#sender = this.#nextSender()
  }

  async run(): Promise<SentJudgement> {
    const { kills, minutes, seed, failovers } = this.#options
    const { daemons } = this.#way
    const end = performance.now() + minutes * 60_000
    const parts = {
      collector: (daemons.collector ?? []).length > 0,
      brokers: (daemons.broker ?? []).length,
      standby: failovers > 0,
    }
    const plan = gatewaySchedule(seed, parts)
    let done = 0
    const promotions = failovers === 0 ? Number.POSITIVE_INFINITY : failovers
    while (done < kills && performance.now() < end && (this.#killed.get('failover') ?? 0) < promotions) {
      const kill = plan.next().value
      await this.#sender.working()
      await sleep(kill.afterMs)
      this.#sender.check()
      if (kill.what === 'sender') await this.#replaceSender()
      else await this.#killer.kill(kill)
      done++
      this.#killed.set(kill.what, (this.#killed.get(kill.what) ?? 0) + 1)
      this.#say(`kill ${done}${Number.isFinite(kills) ? ` of ${kills}` : ''}: ${describeGatewayKill(kill)}`)
    }
    await this.#killer.relent()
    this.#say('the sender sends to the end')
    await this.#sender.end()
    this.#bury()
    await this.#way.settled()
    const { broker: _, ...ending } = daemons
    await Promise.all(
      Object.values(ending)
        .flat()
        .map((one) => one.endInOrder()),
    )
    const { rows } = await readTrail(this.#stage)
    this.#say('verifying the trail')
    const held = { ...(await readQuarantine(this.#stage)), rows }
    const judgement = this.#ledger.judge(held, done, await this.#stage.verify())
    const killed = [...this.#killed].map(([what, times]) => `${what} ${times}`).sort()
    return { ...judgement, report: `kills: ${killed.join(', ')}\n${judgement.report}` }
  }

  async abandon(): Promise<void> {
    await this.#sender.abandon()
    await this.#killer.abandon()
  }

  async #replaceSender(): Promise<void> {
    await this.#sender.kill()
    this.#bury()
    this.#sender = this.#nextSender()
  }

  #nextSender(): WriterLife {
    this.#life++
    const orders: SenderOrders = {
      targets: this.#way.targets,
      patienceMs: this.#way.patienceMs,
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

const QUARANTINED = 'select span_id from noetl.secret_audit_quarantine'
const GAPS = `select from noetl.secret_audit where operation = 'audit_gap'`

async function readQuarantine(stage: Stage): Promise<Omit<Held, 'rows'>> {
  const { rows } = await stage.query<{ span_id: string }>(QUARANTINED)
  const gaps = await stage.query(GAPS)
  return { quarantined: rows.map(({ span_id }) => span_id), gaps: gaps.rows.length }
}
