import { type IncomingMessage, request as httpRequest, type RequestOptions } from 'node:http'
import { VAULT_HEADERS, VAULT_PATH } from './secret-server.js'

/** Everything that the application hears of a request, in order, and the body that it got. */
export interface Heard {
  readonly events: string[]
  body: string
  error?: Error
  readonly request: ReturnType<typeof httpRequest>
  readonly ended: Promise<void>
}

/** Sends one request, by `node:http`. */
export function ask(url: string, options: RequestOptions = {}, body?: string): Heard {
  const events: string[] = []
  const request = httpRequest(url + (options.path === undefined ? VAULT_PATH : ''), {
    headers: VAULT_HEADERS,
    ...options,
  })
  const ended = new Promise<void>((resolve) => {
    request.on('response', (response: IncomingMessage) => {
      events.push(`response ${response.statusCode}`)
      response.on('data', (chunk: Buffer) => {
        heard.body += chunk.toString()
      })
      response.on('error', () => events.push('response error'))
      response.on('end', () => events.push('end'))
    })
    request.on('error', (error) => {
      events.push('error')
      heard.error = error
    })
    request.on('close', () => {
      events.push('close')
      resolve()
    })
  })
  const heard: Heard = { events, body: '', request, ended }
  request.end(body)
  return heard
}
