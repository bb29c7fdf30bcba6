"""The API's sixteen metrics: one list, for what serves them and what reads them."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

METRICS: Mapping[str, str] = {
    "total_modified_lines_of_code": "lines modified, all ways of working together",
    "total_messages": "messages, all ways of working together",
    "total_tool_calls": "tool calls of all agents",
    "completions_count": "inline completions suggested",
    "completions_accepted": "inline completions that the user accepted",
    "completions_lines_of_code": "lines written by accepted completions",
    "completions_suggested_lines_of_code": "lines that completions suggested; the API may leave it out",
    "chat_messages": "chat messages",
    "remote_agent_messages": "messages to the remote agent",
    "remote_agent_lines_of_code": "lines by the remote agent",
    "ide_agent_messages": "messages to the IDE agent",
    "ide_agent_lines_of_code": "lines by the IDE agent",
    "cli_agent_interactive_messages": "messages to the CLI agent, interactive",
    "cli_agent_interactive_lines_of_code": "lines by the CLI agent, interactive",
    "cli_agent_non_interactive_messages": "messages to the CLI agent, non-interactive",
    "cli_agent_non_interactive_lines_of_code": "lines by the CLI agent, non-interactive",
}
"""The sixteen metrics under the API's own names, and what each counts."""
