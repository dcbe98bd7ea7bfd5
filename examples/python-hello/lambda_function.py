"""Answers with a greeting, and says what runs it."""

import logging
import platform

logger = logging.getLogger()
logger.setLevel(logging.INFO)


def lambda_handler(event, context):
    name = event.get("name", "world")
    logger.info("greeting %s", name)
    return {"greeting": f"Hello, {name}!", "python": platform.python_version()}
