import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, onTestFinished, test } from 'vitest'
import { descendants, survivors } from '../examples/wallet/process-tree.js'
import { serverAccount, temporaryDirectory } from '../../src/cli/run/embedded/account.js'
import { packageRoot } from '../support/postgres/package-root.js'
import { waitUntil } from '../support/wait-until.js'

const MAIN = join(packageRoot(), 'build/soak/main.js')

/** A soak, as the command runs it, with a directory for temporary files of its own. */
class RunningSoak {
  readonly process: ChildProcess
  readonly #temporary = mkdtempSync(join(temporaryDirectory(serverAccount()), 'soak-'))
  stdout = ''
  stderr = ''

  constructor(...args: readonly string[]) {
    chmodSync(this.#temporary, 0o755)
    const env = { ...process.env, TMPDIR: this.#temporary }
    this.process = spawn(process.execPath, [MAIN, ...args], { env, stdio: ['ignore', 'pipe', 'pipe'] })
    this.process.stdout?.setEncoding('utf8').on('data', (text: string) => {
      this.stdout += text
    })
    this.process.stderr?.setEncoding('utf8').on('data', (text: string) => {
      this.stderr += text
    })
    onTestFinished(() => {
      this.process.kill('SIGKILL')
      rmSync(this.#temporary, { recursive: true, force: true })
    })
  }

  async ended(): Promise<unknown> {
    const [code, signal] = (await once(this.process, 'close')) as [number | null, string | null]
    return code ?? signal
  }

  /** In the middle of it all. @returns the processes that it has */
  async underWay() {
    await waitUntil(`a soak makes its kills: ${this.stderr}`, () => /kill [3-9]:/.test(this.stderr))
    const processes = descendants(this.process.pid ?? 0)
    expect(processes.length).toBeGreaterThan(3)
    return processes
  }

  /** What it has in the directory for temporary files. */
  left(): string[] {
    return readdirSync(this.#temporary)
  }
}

describe('a soak', () => {
  test('of two kills ends with its verdict, and leaves nothing', async () => {
    const list = join(temporaryDirectory(serverAccount()), `soak-lost-${process.pid}`)
    onTestFinished(() => rmSync(list, { force: true }))
    const soak = new RunningSoak('--kills', '2', '--seed', '5', '--mode', 'mixed', '--lost', list)
    expect(await soak.ended(), soak.stderr).toBe(0)
    const last = JSON.parse(soak.stdout.trimEnd().split('\n').at(-1) ?? '') as Record<string, number>
    const { emitted, acked, stored, counted_lost, ...rest } = last
    expect(rest).toEqual({ kills: 2, acked_missing: 0, duplicates: 0, unaccounted: 0, findings: 0 })
    expect(acked).toBeGreaterThan(0)
    expect(stored).toBeGreaterThan(0)
    expect(emitted).toBe((stored ?? 0) + (counted_lost ?? 0))
    expect(readFileSync(list, 'utf8').split('\n')).toHaveLength((counted_lost ?? 0) + 1)
    expect(soak.stderr).toContain('mode mixed, seed 5\n')
    expect(soak.left()).toEqual([])
  })

  test('that is interrupted says so, and leaves no process and no directory', async () => {
    const soak = new RunningSoak('--minutes', '5', '--seed', '6')
    const processes = await soak.underWay()
    soak.process.kill('SIGINT')
    expect(await soak.ended()).toBe(1)
    expect(soak.stderr).toMatch(/\nsoak: ended by SIGINT\n$/)
    expect(soak.stdout).toBe('')
    expect(soak.left()).toEqual([])
    // But for the watchdog, which sees that there is nothing left to do.
    await waitUntil('all processes are gone', () => survivors(processes).length === 0)
  })

  test('that is killed leaves no process and no directory either', async () => {
    const soak = new RunningSoak('--minutes', '5', '--seed', '7')
    const processes = await soak.underWay()
    soak.process.kill('SIGKILL')
    await waitUntil('all processes are gone', () => survivors(processes).length === 0)
    expect(soak.left()).toEqual([])
  })

  test('through gateways ends with its verdict, and leaves nothing', async () => {
    const soak = new RunningSoak('--through', 'gateway', '--kills', '2', '--seed', '5')
    expect(await soak.ended(), soak.stderr).toBe(0)
    const last = JSON.parse(soak.stdout.trimEnd().split('\n').at(-1) ?? '') as Record<string, number>
    const { emitted, acked, stored, counted_lost, ...rest } = last
    expect(rest).toEqual({ kills: 2, acked_missing: 0, duplicates: 0, unaccounted: 0, findings: 0 })
    expect(acked).toBeGreaterThan(0)
    expect(emitted).toBe((stored ?? 0) + (counted_lost ?? 0))
    expect(soak.left()).toEqual([])
  })

  test('through gateways that is killed leaves no process, not even a stopped one', async () => {
    // Its third kill stops a gateway.
    const soak = new RunningSoak('--through', 'gateway', '--minutes', '5', '--seed', '203')
    const processes = await soak.underWay()
    soak.process.kill('SIGKILL')
    await waitUntil('all processes are gone', () => survivors(processes).length === 0)
    expect(soak.left()).toEqual([])
  })

  test('says what it can do, and refuses what it cannot', async () => {
    const help = new RunningSoak('--help')
    expect(await help.ended()).toBe(0)
    expect(help.stdout).toContain('npm run soak -- [--kills <n>]')
    const wrong = new RunningSoak('--mode', 'lenient')
    expect(await wrong.ended()).toBe(1)
    expect(wrong.stderr).toBe('soak: --mode must be one of strict, async, mixed\n')
  })
})
