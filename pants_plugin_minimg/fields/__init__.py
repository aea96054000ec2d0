"""The fields of `minimal_docker_image`, by what they are about."""
