/** MCP protocol versions served, newest first: the answer to a client that asks for one unknown here. */
export const MCP_VERSIONS = ['2025-11-25', '2025-06-18', '2025-03-26', '2024-11-05'] as const
