// Reads a secret in unusual ways over HTTP: by a forward proxy; with an answer that comes before the request has ended; and giving
// up while it waits (`?name=…`, which is as long as it waits). It has not one line about audit.
import { once } from 'node:events'
import http from 'node:http'
import { Readable } from 'node:stream'
import { text } from 'node:stream/consumers'
import axios from 'axios'
import { serve } from './serving.mjs'

const { VAULT_ADDR = '', VAULT_TOKEN = '', PROXY = '' } = process.env
const headers = { 'x-vault-token': VAULT_TOKEN }
const urlOf = (name) => `${VAULT_ADDR}/v1/secret/data/${name}`

function passwordIn(status, body) {
  if (status !== 200) throw Object.assign(new Error('refused'), { name: 'Refused', code: status })
  return JSON.parse(body).data.data.password
}

const undici = { 6: () => import('undici-6'), 7: () => import('undici-7'), 8: () => import('undici-8') }

const byProxy = (version, options) => async (name) => {
  const { ProxyAgent, request } = await undici[version]()
  const dispatcher = new ProxyAgent({ uri: PROXY, ...options })
  const { statusCode, body } = await request(urlOf(name), { headers, dispatcher })
  return passwordIn(statusCode, await body.text())
}

const decrypted = `${VAULT_ADDR}/v1/transit/decrypt/`
const plaintextIn = (status, body) => {
  if (status !== 200) throw Object.assign(new Error('refused'), { name: 'Refused', code: status })
  return Buffer.from(JSON.parse(body).data.plaintext, 'base64').toString()
}

/** A body that ends when its answer is there. */
function unended() {
  const body = new Readable({ read() {} })
  body.push('{')
  return body
}

const early = (version) => async (name) => {
  const { request } = await undici[version]()
  const sent = unended()
  const { statusCode, body } = await request(decrypted + name, { method: 'POST', headers, body: sent })
  const got = text(body)
  sent.push(null)
  return plaintextIn(statusCode, await got)
}

const giveUp = (version) => async (name) => {
  const { request } = await undici[version]()
  const { statusCode, body } = await request(urlOf(name), {
    headers,
    signal: AbortSignal.timeout(PATIENCE_MS),
  })
  return passwordIn(statusCode, await body.text())
}
const PATIENCE_MS = Number(process.env.PATIENCE_MS ?? 60_000)

serve({
  async 'proxy-http'(name) {
    const { hostname, port } = new URL(PROXY)
    const { host } = new URL(VAULT_ADDR)
    const [response] = await once(
      http.get({ hostname, port, path: urlOf(name), headers: { ...headers, host } }),
      'response',
    )
    return passwordIn(response.statusCode, await text(response))
  },
  async 'proxy-axios'(name) {
    const { hostname: host, port } = new URL(PROXY)
    const { data } = await axios.get(urlOf(name), {
      headers,
      proxy: { protocol: 'http', host, port: Number(port) },
    })
    return data.data.data.password
  },
  'proxy-undici-6': byProxy(6, {}),
  'proxy-undici-7': byProxy(7, {}),
  'proxy-undici-7-whole': byProxy(7, { proxyTunnel: false }),
  'proxy-undici-8': byProxy(8, { proxyTunnel: true }),
  'proxy-undici-8-whole': byProxy(8, { proxyTunnel: false }),

  async 'early-http'(name) {
    const request = http.request(decrypted + name, { method: 'POST', headers })
    request.write('{')
    const [response] = await once(request, 'response')
    const got = text(response)
    request.end()
    return plaintextIn(response.statusCode, await got)
  },
  async 'early-fetch'(name) {
    const sent = unended()
    const init = { method: 'POST', headers, body: Readable.toWeb(sent), duplex: 'half' }
    const response = await fetch(decrypted + name, init)
    const got = response.text()
    sent.push(null)
    return plaintextIn(response.status, await got)
  },
  'early-undici-6': early(6),
  'early-undici-7': early(7),
  'early-undici-8': early(8),

  async 'abort-http'(name) {
    const request = http.get(urlOf(name), { headers, signal: AbortSignal.timeout(PATIENCE_MS) })
    const [response] = await once(request, 'response')
    return passwordIn(response.statusCode, await text(response))
  },
  async 'abort-fetch'(name) {
    const response = await fetch(urlOf(name), { headers, signal: AbortSignal.timeout(PATIENCE_MS) })
    return passwordIn(response.status, await response.text())
  },
  async 'abort-axios'(name) {
    const { data } = await axios.get(urlOf(name), { headers, timeout: PATIENCE_MS })
    return data.data.data.password
  },
  'abort-undici-6': giveUp(6),
  'abort-undici-7': giveUp(7),
  'abort-undici-8': giveUp(8),
})
