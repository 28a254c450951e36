import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { onTestFinished } from 'vitest'
import { waitUntil } from '../support/wait-until.js'

const SCRIPT = fileURLToPath(new URL('./child.mjs', import.meta.url))

export interface Ended {
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
}

/** A process with a spool. It is killed after the test. */
export class SpoolChild {
  readonly process: ChildProcessWithoutNullStreams
  readonly ended: Promise<Ended>
  #output = ''
  stderr = ''

  /** @param wrapper a command that runs the rest of its arguments */
  constructor(
    args: readonly string[],
    env: NodeJS.ProcessEnv = process.env,
    wrapper: readonly string[] = [],
  ) {
    const [command = process.execPath, ...rest] = [...wrapper, process.execPath, SCRIPT, ...args]
    this.process = spawn(command, rest, { env })
    this.process.stdout.setEncoding('utf8').on('data', (text: string) => {
      this.#output += text
    })
    this.process.stderr.setEncoding('utf8').on('data', (text: string) => {
      this.stderr += text
    })
    this.ended = once(this.process, 'close').then(([code, signal]) => ({ code, signal }))
    onTestFinished(async () => {
      this.process.kill('SIGKILL')
      await this.ended
    })
  }

  /** Whole lines that begin with `word`, without it. */
  said(word: string): string[] {
    const lines = this.#output.split('\n').slice(0, -1)
    return lines
      .filter((line) => line.startsWith(`${word} `) || line === word)
      .map((line) => line.slice(word.length + 1))
  }

  async until(word: string, times = 1): Promise<void> {
    await waitUntil(`a child says "${word}" (${this.stderr})`, () => this.said(word).length >= times)
  }

  async kill(): Promise<void> {
    this.process.kill('SIGKILL')
    await this.ended
  }
}
