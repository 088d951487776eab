"""The twenty topics of market messages, in the order of the set's labels, with their templates."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Topic:
    """One topic: its name in the label list, how common it is, and what is said about it.

    Attributes:
        heading: words under which the pretraining text files such messages; not the label's own.
    """

    name: str
    weight: float
    heading: str
    templates: tuple[str, ...]


TOPICS = (
    Topic(
        "Analyst Update",
        3,
        "analyst calls",
        (
            "${ticker}: {bank} raises its rating on {company}",
            "{bank} analyst {person} cuts target of {company} to {n}",
            "${ticker} - analyst rating on {company} lowered",
        ),
    ),
    Topic(
        "Fed | Central Banks",
        5,
        "central bank",
        (
            "Central bank head {person} hints at rate move {soon}",
            "Central bank leaves its rate at {n}",
            "Rate setters of the central bank meet in {city}",
        ),
    ),
    Topic(
        "Company | Product News",
        12,
        "new products",
        (
            "{company} launches a new product line in {city}",
            "{company} unveils a product for the {sector} trade",
            "${ticker} - {company} & {bank} show new product",
        ),
    ),
    Topic(
        "Treasuries | Corporate Debt",
        3,
        "bonds",
        (
            "{company} sells bonds worth {n} through {bank}",
            "Ten year bonds {up} as yields {down}",
            "Bonds of {company} {down} in {city}",
        ),
    ),
    Topic(
        "Dividend",
        4,
        "dividends",
        (
            "${ticker} - {company} declares a dividend of {n}",
            "{company} doubles its dividend",
            "{company} dividend due on {day}",
        ),
    ),
    Topic(
        "Earnings",
        8,
        "earnings",
        (
            "{company} reports quarter earnings of {n}",
            "${ticker} - {company} earnings beat by {n}",
            "Earnings of {company} & its peers out on {day}",
        ),
    ),
    Topic(
        "Energy | Oil",
        5,
        "energy",
        (
            "Oil {up} {n} as wells near {city} close",
            "Crude oil {down} on {gloomy} {market}",
            "{city} pipeline carries less oil & gas",
        ),
    ),
    Topic(
        "Financials",
        3,
        "lenders",
        (
            "{bank} writes off loans in {city}",
            "Lenders such as {bank} see loans {go_up}",
            "{bank} & other lenders hold more cash",
        ),
    ),
    Topic(
        "Currencies",
        3,
        "currencies",
        (
            "The crown {up} against the dollar",
            "Currency traders in {city} sell the crown",
            "Crown & mark {down} on currency fears",
        ),
    ),
    Topic(
        "General News | Opinion",
        8,
        "opinion",
        (
            "Opinion : why {city} needs better schools",
            "Storm hits {city} , homes lost",
            "Opinion : {person} on life after work",
        ),
    ),
    Topic(
        "Gold | Metals | Materials",
        3,
        "metals",
        (
            "{metal} {up} to {n} an ounce",
            "{metal} & {metal} {down} in metals trade",
            "{city} miners ship less {metal}",
        ),
    ),
    Topic(
        "IPO",
        2,
        "listings",
        (
            "{company} unit to list its shares in {city}",
            "New listing of {company} unit priced at {n}",
            "IPO of {person} 's firm set for {day}",
        ),
    ),
    Topic(
        "Legal | Regulation",
        4,
        "courts",
        (
            "Court in {city} fines {company}",
            "{company} sued by {person} over {bad}",
            "Judge clears {bank} & {company}",
        ),
    ),
    Topic(
        "M&A | Investments",
        4,
        "deals",
        (
            "{company} to buy rival {company_2}",
            "{company} takes a stake in {company_2}",
            "${ticker} - {bank} invests in {company}",
        ),
    ),
    Topic(
        "Macro",
        7,
        "economy",
        (
            "Inflation {up} to {n} in {city}",
            "Jobless claims {down} & growth is {bright}",
            "Economy grew by {n} , data show",
        ),
    ),
    Topic(
        "Markets",
        5,
        "stock market",
        (
            "Stocks in {city} close higher on {day}",
            "Stock index {down} at the open",
            "Market wrap : stocks & bonds {flat}",
        ),
    ),
    Topic(
        "Politics",
        5,
        "politics",
        (
            "Senator {person} wins vote in {city}",
            "Parliament in {city} votes on {day}",
            "Minister {person} & rivals debate",
        ),
    ),
    Topic(
        "Personnel Change",
        3,
        "people",
        (
            "{company} names {person} as new head",
            "{person} quits {company} after {n} years",
            "${ticker} - {company} finance chief steps down",
        ),
    ),
    Topic(
        "Stock Commentary",
        8,
        "stock tips",
        (
            "Why I keep my {company} shares",
            "${ticker} : {n} reasons to own {company}",
            "My view : {company} is cheap & {bright}",
        ),
    ),
    Topic(
        "Stock Movement",
        7,
        "movers",
        (
            "${ticker} shares {up} {n} on {day}",
            "{company} stock {down} {n} after hours",
            "Movers : {company} {up} , {company_2} {down}",
        ),
    ),
)
