import { metrics } from '@opentelemetry/api'
import { expect, test } from 'vitest'
import { serveMetrics } from '../../src/watch/metrics-server.js'
import { VerifyMetrics } from '../../src/watch/verify-metrics.js'
import { scraper } from '../otel/scrape.js'

const PREFIX = 'noetl_secret_audit_verify_'

test('the last verification, the last success and failures are metrics', async () => {
  const { samples } = scraper()
  const values = async (): Promise<Record<string, number>> =>
    Object.fromEntries((await samples()).map(({ name, value }) => [name.replace(PREFIX, ''), value]))
  const verify = new VerifyMetrics()
  expect(await values()).toEqual({ failures_total: 0 })
  verify.verified({ findings: 0, rows: 9, seconds: 2, isSuccess: true }, 5000)
  verify.verified({ findings: 2, rows: 7, seconds: 3, isSuccess: false }, 9000)
  verify.failed()
  expect(await values()).toEqual({ findings: 2, rows: 7, duration: 3, last_success: 5, failures_total: 1 })
})

test('a provider that is registered later is used, and one that throws changes nothing', async () => {
  const verify = new VerifyMetrics()
  const { samples } = scraper()
  verify.verified({ findings: 0, rows: 1, seconds: 1, isSuccess: true }, 1000)
  expect(await samples()).toContainEqual(expect.objectContaining({ name: `${PREFIX}rows`, value: 1 }))
  metrics.disable()
  metrics.setGlobalMeterProvider({
    getMeter: () => {
      throw new Error('no meter')
    },
  })
  expect(() => verify.failed()).not.toThrow()
})

test('they are served, and nothing else', async () => {
  const server = await serveMetrics('127.0.0.1', 0, () => Promise.resolve('a 1\n'))
  const asked = async (path: string, method = 'GET'): Promise<[number, string]> => {
    const answer = await fetch(server.url + path, { method })
    return [answer.status, await answer.text()]
  }
  expect(await asked('/metrics?x=1')).toEqual([200, 'a 1\n'])
  expect(await asked('/healthz')).toEqual([200, 'ok\n'])
  expect((await asked('/'))[0]).toBe(404)
  expect((await asked('/metrics', 'POST'))[0]).toBe(405)
  await expect(
    serveMetrics('127.0.0.1', Number(new URL(server.url).port), () => Promise.resolve('')),
  ).rejects.toThrow('is in use')
  await server.close()
  const failing = await serveMetrics('127.0.0.1', 0, () => Promise.reject(new Error('none')))
  expect((await fetch(`${failing.url}/metrics`)).status).toBe(503)
  await failing.close()
})
