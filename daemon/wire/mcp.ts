import { VERSION } from '../version.ts'

/**
 * What the shim answers to `initialize` before any daemon is there, and what the daemon's own MCP
 * servers must therefore declare too.
 */
export const SERVER_INFO = { name: 'scrum4me', title: 'Scrum4Me', version: VERSION } as const

export const CAPABILITIES = {
  tools: { listChanged: true },
  prompts: { listChanged: true },
  logging: {},
} as const

/** Newest first: the answer to a client that asks for a version unknown here. */
export const MCP_VERSIONS = ['2025-11-25', '2025-06-18', '2025-03-26', '2024-11-05'] as const
