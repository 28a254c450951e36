import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { once } from 'node:events'
import { request as httpRequest } from 'node:http'
import { beforeEach, describe, expect, it, onTestFinished } from 'vitest'
import { fetchedBody, watchFetch } from '../../../src/instrument/wire/fetch.js'
import { RequestBodies } from '../../../src/instrument/wire/request-bodies.js'
import { SECRET, secretServer } from './secret-server.js'

/** Requests to AWS whose bodies say what they ask for, and those whose bodies have the value of a secret. */
const NAMING = [
  ['secretsmanager.GetSecretValue', { SecretId: 'db' }],
  ['AmazonSSM.GetParameter', { Name: '/db', WithDecryption: true }],
  ['TrentService.Decrypt', { KeyId: 'k' }],
] as const
const WITH_VALUE = [
  ['secretsmanager.CreateSecret', { Name: 'db', SecretString: SECRET }],
  ['secretsmanager.PutSecretValue', { SecretId: 'db', SecretString: SECRET }],
  ['secretsmanager.UpdateSecret', { SecretId: 'db', SecretString: SECRET }],
  ['AmazonSSM.PutParameter', { Name: '/db', Value: SECRET }],
] as const

let url: string

beforeEach(async () => {
  ;({ url } = await secretServer())
})

/** What is known of the body when the request is looked at. */
async function keptOfHttp(target: string, body: string): Promise<string | undefined> {
  const bodies = new RequestBodies()
  onTestFinished(() => bodies.restore())
  const request = httpRequest(url, { method: 'POST', headers: { 'x-amz-target': target } })
  request.end(body)
  const [response] = (await once(request, 'response')) as [NodeJS.ReadableStream]
  response.resume()
  const kept = bodies.take(request)
  return kept && Buffer.from(kept).toString()
}

async function keptOfFetch(target: string, body: string): Promise<string | undefined> {
  onTestFinished(watchFetch())
  let kept: string | Uint8Array | undefined
  const onCreated = (): void => void (kept = fetchedBody())
  subscribe('undici:request:create', onCreated)
  try {
    await (await fetch(url, { method: 'POST', headers: { 'x-amz-target': target }, body })).text()
  } finally {
    unsubscribe('undici:request:create', onCreated)
  }
  return typeof kept === 'object' ? Buffer.from(kept).toString() : kept
}

describe.each([
  ['node:http', keptOfHttp],
  ['fetch', keptOfFetch],
])('of a request to AWS by %s', (_, keptOf) => {
  it.each(NAMING)(
    'that names in its body what it asks for (%s) the body is kept until then',
    async (target, body) => {
      const text = JSON.stringify(body)
      expect(await keptOf(target, text)).toBe(text)
    },
  )

  it.each(WITH_VALUE)('that has the value of a secret (%s) nothing is kept', async (target, body) => {
    expect(await keptOf(target, JSON.stringify(body))).toBeUndefined()
  })

  it('that is for something else nothing is kept', async () => {
    expect(await keptOf('DynamoDB_20120810.GetItem', '{"TableName":"orders"}')).toBeUndefined()
  })
})
