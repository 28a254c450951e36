import { readFileSync, rmSync } from 'node:fs'
import { parseJournal } from './journal.js'
import { Killer, type Victims } from './killer.js'
import { Ledger } from './ledger.js'
import { WriterLife } from './life.js'
import type { SoakOptions } from './options.js'
import { describeKill, schedule } from './schedule.js'
import { Stage } from './stage.js'
import { readTrail } from './trail.js'
import { type Judgement, judgeAll } from './verdict.js'

/** The execution ids of one writer. */
const EVENTS_PER_LIFE = 10_000_000

/** One soak. Everything it starts has ended when {@link run} returns or throws. */
export class Soak implements Victims {
  readonly stage: Stage
  readonly #options: SoakOptions
  readonly #say: (what: string) => void
  readonly #ledger = new Ledger()
  #life = 0
  #writer: WriterLife
  #over = false

  private constructor(stage: Stage, options: SoakOptions, say: (what: string) => void) {
    this.stage = stage
    this.#options = options
    this.#say = say
    this.#writer = this.#start()
  }

  /** @throws Error when something failed, and the reason of `stop` */
  static async run(options: SoakOptions, say: (what: string) => void, stop: AbortSignal): Promise<Judgement> {
    const stage = await Stage.set()
    try {
      stop.throwIfAborted()
      const soak = new Soak(stage, options, say)
      const stopped = new Promise<never>((_, reject) => {
        stop.addEventListener('abort', () => reject(stop.reason))
      })
      try {
        return await Promise.race([soak.#run(), stopped])
      } finally {
        soak.#over = true
        await soak.#writer.abandon()
      }
    } finally {
      await stage.close()
    }
  }

  get writer(): WriterLife {
    return this.#writer
  }

  succeed(): void {
    if (this.#over) throw new Error('the soak is over')
    this.#bury()
    this.#writer = this.#start()
  }

  async #run(): Promise<Judgement> {
    const { kills, minutes, seed } = this.#options
    const end = performance.now() + minutes * 60_000
    const killer = new Killer(this)
    const plan = schedule(seed)
    await this.#writer.working()
    let done = 0
    while (done < kills && performance.now() < end) {
      const kill = plan.next().value
      await killer.kill(kill)
      done++
      this.#say(`kill ${done}${Number.isFinite(kills) ? ` of ${kills}` : ''}: ${describeKill(kill)}`)
    }
    await killer.relent()
    await this.#writer.working()
    this.#say('closing the writer')
    await this.#writer.end()
    this.#bury()
    this.#say('draining what is left in the spool')
    if (!(await this.stage.drain())) this.#say('the drain left events in the spool')
    this.#ledger.compare(await readTrail(this.stage))
    this.#say('verifying the trail')
    return judgeAll(this.#ledger, done, await this.stage.verify())
  }

  #start(): WriterLife {
    const { directory, spoolDirectory, enrolmentKeyFile, writerUrl } = this.stage
    this.#life++
    return new WriterLife(directory, this.#life, {
      databaseUrl: writerUrl,
      spoolDirectory,
      enrolmentKeyFile,
      mode: this.#options.mode,
      writerThread: this.#options.writerThread,
      firstEvent: this.#life * EVENTS_PER_LIFE,
    })
  }

  /** The writer is gone, and its journal is whole. */
  #bury(): void {
    const { journalFile } = this.#writer
    this.#ledger.read(this.#life, parseJournal(readFileSync(journalFile, 'utf8')))
    rmSync(journalFile)
  }
}
