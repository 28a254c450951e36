import { cp, mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { type Exit, Program } from '../test/support/program.js'
import { packageRoot } from '../test/support/postgres/package-root.js'
import { install, installByPnpm } from './npm.js'

export interface ConsumerOptions {
  /** Where it is made; must not be below this repository, where Node would find packages that were not installed. */
  readonly directory: string
  readonly node: string
  /** Of its Node, as 22. */
  readonly line: number
  /** What it installs beside the tarball. */
  readonly packages: readonly string[]
  readonly tarball: string
  readonly omitOptional?: boolean | undefined
  readonly overrides?: Readonly<Record<string, string>> | undefined
  readonly by?: 'npm' | 'pnpm' | undefined
}

export interface Ended extends Exit {
  readonly stdout: string
  readonly stderr: string
}

/** The command of the package as npm linked it, below the directory of a consumer. */
export const COMMAND = 'node_modules/.bin/otel-audit'
/** The same where pnpm has put a shell script there. */
const COMMAND_FILE = 'node_modules/otel-audit/dist/cli/main.js'

/** A directory with the packed package installed as a user would, and a Node to run programs in it. */
export class Consumer {
  readonly directory: string
  readonly node: string
  readonly #line: number
  readonly #command: string
  readonly #running = new Set<Program>()

  private constructor(directory: string, node: string, line: number, command: string) {
    this.directory = directory
    this.node = node
    this.#line = line
    this.#command = command
  }

  static async make({
    directory,
    node,
    line,
    packages,
    tarball,
    omitOptional,
    overrides = {},
    by = 'npm',
  }: ConsumerOptions): Promise<Consumer> {
    await mkdir(directory, { recursive: true })
    await writeFile(join(directory, 'package.json'), JSON.stringify({ private: true, overrides }))
    if (by === 'pnpm') {
      await installByPnpm(directory, [tarball, ...packages])
      return new Consumer(directory, node, line, COMMAND_FILE)
    }
    const omitted = omitOptional === true ? ['--omit=optional'] : []
    await install(directory, [...omitted, tarball, ...packages], node)
    return new Consumer(directory, node, line, COMMAND)
  }

  /** Whether its Node is of an older line. */
  isOlderThan(line: number): boolean {
    return this.#line < line
  }

  /** The version that is installed at the top; undefined when there is none. */
  async version(name: string): Promise<string | undefined> {
    try {
      const manifest = await readFile(join(this.directory, 'node_modules', name, 'package.json'), 'utf8')
      return (JSON.parse(manifest) as { version: string }).version
    } catch {
      return undefined
    }
  }

  /** Copies files of this repository into it. */
  async take(folder: string, ...files: readonly string[]): Promise<void> {
    for (const file of files) await cp(join(packageRoot(), folder, file), join(this.directory, file))
  }

  /** Starts a program, which is killed by {@link quit} if it still runs. */
  start(args: readonly string[], env: Readonly<Record<string, string>> = {}): Program {
    const program = new Program({ args, cwd: this.directory, env, node: this.node })
    this.#running.add(program)
    return program
  }

  async run(args: readonly string[], env?: Readonly<Record<string, string>>): Promise<Ended> {
    const program = this.start(args, env)
    const exit = await program.exit
    return { ...exit, stdout: program.stdout, stderr: program.stderr }
  }

  /** Runs the command of the package. @throws Error when it fails */
  async cli(args: readonly string[], env: Readonly<Record<string, string>> = {}): Promise<string> {
    const { code, stdout, stderr } = await this.run([this.#command, ...args], env)
    if (code !== 0) throw new Error(`otel-audit ${args.join(' ')} ended with ${code}: ${stdout}${stderr}`)
    return stdout
  }

  async quit(): Promise<void> {
    for (const program of this.#running) await program.kill()
    this.#running.clear()
  }
}
