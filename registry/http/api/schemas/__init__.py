"""The types of what the API answers: the OpenAPI document and the API reference describe its bodies by them.

A test holds every answer that the tests receive against them: no field is missing, none is sent that is not here.
"""
