import { type ChildProcess, spawn } from 'node:child_process'
import { join } from 'node:path'
import { packageRoot } from '../../test/support/postgres/package-root.js'

const CLI = join(packageRoot(), 'dist', 'cli', 'main.js')

export interface Result {
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
  readonly stdout: string
  readonly stderr: string
}

/** A command that runs, as a user started it. */
export class Command {
  readonly args: readonly string[]
  readonly #child: ChildProcess
  #stdout = ''
  #stderr = ''
  #isOver = false
  readonly over: Promise<Result>

  constructor(args: readonly string[], env: Readonly<Record<string, string>>) {
    this.args = args
    this.#child = spawn(process.execPath, [CLI, ...args], { env, stdio: ['ignore', 'pipe', 'pipe'] })
    this.#child.stdout?.setEncoding('utf8').on('data', (text: string) => (this.#stdout += text))
    this.#child.stderr?.setEncoding('utf8').on('data', (text: string) => (this.#stderr += text))
    this.over = new Promise((resolve, reject) => {
      this.#child.once('error', reject)
      this.#child.once('close', (code, signal) => {
        this.#isOver = true
        resolve({ code, signal, stdout: this.#stdout, stderr: this.#stderr })
      })
    })
  }

  get isOver(): boolean {
    return this.#isOver
  }

  /** What it has said so far. */
  get said(): string {
    return this.#stdout + this.#stderr
  }

  kill(): void {
    this.#child.kill('SIGKILL')
  }
}

/** The command line, with nothing of our environment but what programs need. */
export class CommandLine {
  readonly #env: Readonly<Record<string, string>>

  constructor(env: Readonly<Record<string, string>>) {
    // It is the owner of the trail who archives and retires.
    this.#env = { PATH: process.env['PATH'] ?? '', NODE_ENV: 'test', ...env }
  }

  start(...args: readonly string[]): Command {
    return new Command(args, this.#env)
  }

  run(...args: readonly string[]): Promise<Result> {
    return this.start(...args).over
  }

  /** @throws Error with what it said, for any other exit code */
  async expect(code: number, ...args: readonly string[]): Promise<Result> {
    const result = await this.run(...args)
    if (result.code !== code) throw new Error(unexpected(args, code, result))
    return result
  }
}

export function unexpected(
  args: readonly string[],
  expected: number,
  { code, stdout, stderr }: Result,
): string {
  return `otel-audit ${args.join(' ')}: exit code ${code}, not ${expected}\n${stdout}${stderr}`
}
