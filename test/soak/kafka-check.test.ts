import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { packageRoot } from '../support/postgres/package-root.js'

const MAIN = join(packageRoot(), 'build/soak/kafka-check.js')

interface Run {
  readonly code: number
  readonly stdout: string
}

/** Where there is no Java, no Maven, and nothing else. */
function check(args: readonly string[], collector = '/nowhere/otelcol'): Promise<Run> {
  const env = { PATH: '/nowhere', COLLECTOR_BIN: collector }
  return new Promise((resolve) => {
    execFile(process.execPath, [MAIN, ...args], { env }, (error, stdout) => {
      resolve({ code: error === null ? 0 : Number(error.code), stdout })
    })
  })
}

test('what it needs and is not there is said, and is not a success', async () => {
  expect(await check([])).toEqual({ code: 2, stdout: 'not checked: Java 17 or newer is not there\n' })
})

test('its help names what it needs', async () => {
  const { code, stdout } = await check(['--help'])
  expect([code, stdout]).toEqual([0, expect.stringContaining('Java 17, Maven')])
})

test('what it cannot do is refused', async () => {
  expect(await check(['--brokers', 'many'])).toMatchObject({ code: 1 })
})
