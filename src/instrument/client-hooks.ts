import type { ClientHook } from './client-hook.js'

/** The hooks of layer 1. */
export const CLIENT_HOOKS: readonly ClientHook[] = []
