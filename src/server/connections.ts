import { clearTimeout, setTimeout } from '../host/globals.js'
import type { Server } from 'node:http'
import type { Socket } from 'node:net'

export interface ConnectionLimits {
  /** Connections at once. */
  readonly most: number
  /** Connections at once of one address: a quarter of all, so that one that takes all of its own leaves the rest. */
  readonly mostOfAddress: number
  /** How long a connection may say nothing before its first request, in ms. */
  readonly silentMs: number
}

export const CONNECTION_LIMITS: ConnectionLimits = Object.freeze({
  most: 512,
  mostOfAddress: 128,
  silentMs: 5000,
})

/** The oldest first, since a set keeps its order. */
type Waiting = Set<Socket>

/**
 * Keeps connections that do nothing from using up what all clients share.
 *
 * A connection that is being answered is never cut. Beyond a limit the oldest of those that wait (silent, in the middle of
 * a request's head, or idle between two requests) makes room for the new one, which is likely to ask at once: so `/healthz`
 * is answered in a flood from the same address, too. When all are being answered, it is the new one that goes.
 */
export class Connections {
  readonly #limits: ConnectionLimits
  readonly #all: Waiting = new Set()
  readonly #byAddress = new Map<string, Set<Socket>>()
  readonly #answering = new Map<Socket, number>()

  constructor(limits: ConnectionLimits = CONNECTION_LIMITS) {
    this.#limits = limits
  }

  watch(server: Server): void {
    server.on('connection', (socket) => this.#opened(socket))
    server.on('request', ({ socket }, response) => {
      this.#answering.set(socket, (this.#answering.get(socket) ?? 0) + 1)
      response.once('close', () => this.#answered(socket))
    })
  }

  #opened(socket: Socket): void {
    const { most, mostOfAddress, silentMs } = this.#limits
    const address = socket.remoteAddress ?? 'unknown'
    const ofAddress = this.#byAddress.get(address) ?? new Set()
    this.#byAddress.set(address, ofAddress)
    ofAddress.add(socket)
    this.#all.add(socket)
    const timer = setTimeout(() => {
      if (socket.bytesRead === 0) socket.destroy()
    }, silentMs).unref()
    socket.once('close', () => {
      clearTimeout(timer)
      this.#forget(socket, address)
    })
    if (ofAddress.size > mostOfAddress) this.#makeRoom(ofAddress, socket, address)
    else if (this.#all.size > most) this.#makeRoom(this.#all, socket, address)
  }

  #makeRoom(among: ReadonlySet<Socket>, latest: Socket, address: string): void {
    for (const socket of among) {
      if (this.#answering.has(socket)) continue
      this.#forget(socket, socket.remoteAddress ?? address)
      socket.destroy()
      return
    }
    latest.destroy()
  }

  /** At once, and not when its end has come through: others are opened meanwhile. */
  #forget(socket: Socket, address: string): void {
    this.#all.delete(socket)
    const ofAddress = this.#byAddress.get(address)
    ofAddress?.delete(socket)
    if (ofAddress?.size === 0) this.#byAddress.delete(address)
    if (socket.destroyed) this.#answering.delete(socket)
  }

  #answered(socket: Socket): void {
    const left = (this.#answering.get(socket) ?? 1) - 1
    if (left > 0) this.#answering.set(socket, left)
    else this.#answering.delete(socket)
  }
}
