"""Claude's own rules, which hold wherever Claude is served."""

from transforms.anthropic.models import ModelRules as ClaudeRules
from transforms.anthropic.models import rules_for as claude_rules

__all__ = ["ClaudeRules", "claude_rules"]
